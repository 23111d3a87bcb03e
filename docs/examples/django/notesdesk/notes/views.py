import os
from importlib.metadata import version

import django
from django import forms
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from notesdesk.notes.models import Note


class NoteForm(forms.ModelForm):
    class Meta:
        model = Note
        fields = ["text"]
        widgets = {"text": forms.Textarea({"rows": 3})}


@require_http_methods(["GET", "HEAD", "POST"])
def notes(request: HttpRequest) -> HttpResponse:
    form = NoteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("notes")
    status = 422 if form.errors else 200
    found = {"form": form, "notes": Note.objects.all()[:100]}
    return render(request, "notes/notes.html", found, status=status)


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse(
        {
            "status": "ok",
            "version": version("notesdesk"),
            "django": django.get_version(),
            "notes": Note.objects.count(),
            "pid": os.getpid(),
        }
    )
