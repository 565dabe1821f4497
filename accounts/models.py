"""The user model, which logs in with an e-mail address."""

from typing import Any, ClassVar, Final

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

# Characters: the length of the column, and the limit of RFC 5321.
MAX_EMAIL_LENGTH: Final = 254


class UserManager(BaseUserManager["User"]):
    """Create users, and find them by e-mail address, ignoring case."""

    def create_user(
        self,
        email: str,
        password: str | None = None,
        *,
        name: str = "",
        role: str = "rider",
        **extra: Any,
    ) -> "User":
        """Store and return a user. Without a password, the user cannot log in with one.

        Raises ValueError if the e-mail address is empty or too long, IntegrityError if it is taken.
        """
        if not email:
            raise ValueError("A user needs an e-mail address.")
        if len(email) > MAX_EMAIL_LENGTH:
            raise ValueError(f"An e-mail address has {MAX_EMAIL_LENGTH} characters at most.")
        user = self.model(email=User.normalize_username(email), name=name, role=role, **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(
        self, email: str, password: str | None = None, *, name: str = "", **extra: Any
    ) -> "User":
        """Store and return a superuser: a dispatcher with all permissions."""
        extra = {"role": User.Role.DISPATCHER, **extra, "is_staff": True, "is_superuser": True}
        return self.create_user(email, password, name=name, **extra)

    def get_by_natural_key(self, username: str | None) -> "User":
        return super().get_by_natural_key(User.normalize_username(username or ""))

    async def aget_by_natural_key(self, username: str | None) -> "User":
        return await super().aget_by_natural_key(User.normalize_username(username or ""))


class User(AbstractBaseUser, PermissionsMixin):
    """A rider, a driver or a dispatcher. The e-mail address is stored in lower case."""

    class Role(models.TextChoices):
        RIDER = "rider", _("Rider")
        DRIVER = "driver", _("Driver")
        DISPATCHER = "dispatcher", _("Dispatcher")

    id = models.BigAutoField(primary_key=True)
    email = models.EmailField(
        _("e-mail address"),
        unique=True,
        error_messages={"unique": _("A user with that e-mail address already exists.")},
    )
    name = models.CharField(_("name"), max_length=150)
    role = models.CharField(_("role"), max_length=16, choices=Role, default=Role.RIDER)
    is_active = models.BooleanField(
        _("active"),
        default=True,
        help_text=_("Unselect this instead of deleting accounts: the user can no longer log in."),
    )
    is_staff = models.BooleanField(
        _("staff"), default=False, help_text=_("The user can log in to the admin site.")
    )
    date_joined = models.DateTimeField(_("date joined"), default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # With `unique`, this makes addresses unique regardless of case, and one index serves
            # both that and the look-up at log-in.
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="accounts_email_lower_case"
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=["rider", "driver", "dispatcher"]),
                name="accounts_role_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """Return the normal form of an e-mail address, in which it is stored and looked up.

        Text too long for an address matches no user and is returned unchanged: normalizing it may
        take a time that grows with the square of its length.
        """
        if len(username) > MAX_EMAIL_LENGTH:
            return username
        return super().normalize_username(username).strip().lower()
