"""What every Celery task stands on, the site's own and those of apps that an agency adds."""
