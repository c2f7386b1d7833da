"""The addresses of the API, as the OGC standards fix them."""

from django.urls import path, re_path

from marinemap.api import views

app_name = "api"

urlpatterns = [
    path("", views.landing, name="landing"),
    path("conformance", views.conformance, name="conformance"),
    path("processes", views.processes, name="processes"),
    path("processes/<str:process_id>", views.process, name="process"),
    path("processes/<str:process_id>/execution", views.execution, name="execution"),
    path("jobs", views.jobs, name="jobs"),
    path("jobs/<uuid:job_id>", views.job, name="job"),
    path("jobs/<uuid:job_id>/results", views.results, name="results"),
    path("jobs/<str:job_id>", views.no_such_job),
    path("jobs/<str:job_id>/results", views.no_such_job),
    path("collections", views.collections, name="collections"),
    path("collections/<str:layer_id>", views.collection, name="collection"),
    path("collections/<str:layer_id>/drawings/<str:file>", views.drawing, name="drawing"),
    re_path(r"^(?P<path>.*)$", views.not_found),
]
