"""Names in the admin are translated when they are shown, not when the server starts."""

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, label_for_field
from django.test import RequestFactory
from django.utils.functional import Promise

from accounts.models import User

SITES = {
    site.opts.label: site
    for site in admin.site._registry.values()
    if site.opts.app_label in ("accounts", "tracking")
}


@pytest.fixture
def request_of_staff():
    request = RequestFactory().get("/")
    request.user = User(pk=1, is_superuser=True, is_staff=True)
    return request


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_names_of_models_fields_actions_and_filters_are_translatable(site, request_of_staff):
    opts = site.opts
    names = {"model": opts.verbose_name, "models": opts.verbose_name_plural}
    listed = flatten_fieldsets(site.fieldsets or [(None, {"fields": site.fields or ()})])
    for name in {*site.get_list_display(request_of_staff), *site.readonly_fields, *listed}:
        if name in site.form.base_fields:
            names["form", name] = site.form.base_fields[name].label
        elif name != "__str__":
            names[name] = label_for_field(name, site.model, site)
    for field in opts.fields:
        if field.is_relation:  # filters, and questions before something is deleted
            names["relation", field.name] = field.verbose_name
        if field.choices:
            names |= {(field.name, value): label for value, label in field.choices}
        if field.help_text:
            names[field.name, "help"] = field.help_text
    for name, (_, _, description) in site.get_actions(request_of_staff).items():
        names["action", name] = description
    for title, _ in site.fieldsets or ():
        if title:
            names["fieldset", title] = title
    for chosen in site.list_filter:
        if isinstance(chosen, type):
            names["filter", chosen.__name__] = chosen.title
    assert {name: text for name, text in names.items() if not isinstance(text, Promise)} == {}
