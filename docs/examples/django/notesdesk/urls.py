from django.urls import path

from notesdesk.notes import views

urlpatterns = [
    path("", views.notes, name="notes"),
    path("api/health", views.health, name="health"),
]
