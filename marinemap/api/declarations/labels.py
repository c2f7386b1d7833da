"""What people read in place of the names and the words that programs read in a document."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

# By the name of a member. What is not here is shown by its name: the vocabulary of a standard, such
# as JSON Schema's, and what a layer calls its fields.
LABELS = {
    "ahead": _("Requests ahead"),
    "areaKm2": _("Size in km²"),
    "areas": _("Areas"),
    "attribution": _("Source"),
    "batchID": _("Batch"),
    "bbox": _("Bounds"),
    "beginsWith": _("Begins with"),
    "collections": _("Layers"),
    "complete": _("All looked at"),
    "completed": _("Ended"),
    "conformsTo": _("Conforms to"),
    "corners": _("Corners"),
    "count": _("How often"),
    "created": _("Created"),
    "crs": _("Coordinate system"),
    "description": _("Description"),
    "dismissed": _("Cancelled"),
    "distinct": _("Different values"),
    "drawing": _("Drawing"),
    "earliestStart": _("Starts at the earliest"),
    "expires": _("Kept until"),
    "extent": _("Extent"),
    "failed": _("Failed"),
    "featureCount": _("Number of features"),
    "features": _("Features"),
    "field": _("Field"),
    "fields": _("Fields"),
    "finished": _("Ended at"),
    "fits": _("Made for all of the bounds"),
    "geometryType": _("Type of geometry"),
    "inputs": _("Inputs"),
    "itemType": _("Type of items"),
    "jobControlOptions": _("How it can be run"),
    "jobID": _("Job"),
    "jobs": _("Jobs"),
    "lastUsed": _("Last used"),
    "layer": _("Layer"),
    "layers": _("Layers"),
    "letters": _("Letters"),
    "license": _("Licence"),
    "limits": _("Limits"),
    "links": _("Links"),
    "lookedAt": _("Features looked at"),
    "maximum": _("Greatest"),
    "message": _("How it stands"),
    "minimum": _("Least"),
    "missing": _("Missing"),
    "most": _("At most"),
    "name": _("Name"),
    "notes": _("Notes"),
    "numberMatched": _("Features that match"),
    "numberReturned": _("Features on this page"),
    "outputTransmission": _("How results are given"),
    "outputs": _("Outputs"),
    "place": _("Place"),
    "processID": _("Process"),
    "processes": _("Processes"),
    "progress": _("Progress in %"),
    "properties": _("Properties"),
    "revoked": _("Revoked"),
    "scopes": _("Good for"),
    "size": _("Size in bytes"),
    "spatial": _("In space"),
    "started": _("Started"),
    "status": _("State"),
    "storageCrs": _("Coordinate system of the data"),
    "succeeded": _("Successful"),
    "tileMatrixSets": _("Tiling schemes"),
    "theme": _("Theme"),
    "position": _("Position"),
    "tilesets": _("Tilesets"),
    "title": _("Title"),
    "tokens": _("Tokens"),
    "total": _("Altogether"),
    "trouble": _("Trouble"),
    "type": _("Type"),
    "unit": _("Unit"),
    "updated": _("Changed at"),
    "used": _("Taken up"),
    "value": _("Value"),
    "values": _("Values"),
    "version": _("Version"),
}
# Members that hold what a layer, or a standard, has named, or a layer's own values.
OF_OTHERS = frozenset(
    ("features", "inputs", "outputs", "request", "problem", "renamed_fields")
    + ("value", "minimum", "maximum")
)
MOMENTS = frozenset(
    ("created", "earliestStart", "expires", "finished", "lastUsed", "started", "updated")
)
# What the values of a member mean.
WORDS = {
    "status": {
        "accepted": _("waiting"),
        "running": _("running"),
        "successful": _("successful"),
        "failed": _("failed"),
        "dismissed": _("cancelled"),
    },
    "letters": {"sent": _("are sent"), "stopped": _("are not sent")},
    "unit": {
        "jobs": _("jobs"),
        "bytes": _("bytes"),
        "features": _("features"),
        "seconds": _("seconds"),
        "requests": _("requests"),
    },
}
# Sentences that the engine wrote when something was done, in English.
IN_ENGLISH = frozenset(("message", "notes", "hint", "detail"))
