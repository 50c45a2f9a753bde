"""The routes of the project."""

from django.contrib import admin
from django.urls import include, path

from examples.django_project import views

urlpatterns = [
    path("", include("ostiary.django.urls")),
    path("", views.front),
    path("public/hours", views.hours),
    path("me", views.me),
    path("editors", views.editors),
    path("drafts", views.drafts),
    path("vault", views.vault),
    path("note", views.note),
    path("promotion", views.promotion),
    path("admin/", admin.site.urls),
]
