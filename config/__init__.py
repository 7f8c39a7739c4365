# Loaded with the project so that `shared_task` in the apps binds to our application and not to Celery's default one.
from config.celery import app as celery_app

__all__ = ["celery_app"]
