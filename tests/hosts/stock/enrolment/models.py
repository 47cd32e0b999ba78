"""The one table of edx-platform that the consumer's roster follows a relation to: `user.profile`."""

from django.conf import settings
from django.db import models


class UserProfile(models.Model):
    """A name, once for each account."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, related_name="profile", on_delete=models.CASCADE)
    name = models.CharField(max_length=255, blank=True)
