"""Addresses of the door, the people desk and the audit's own record."""

from django.urls import path

from accounts.views import audit, groups, people, session

app_name = "accounts"
urlpatterns = [
    path("sign-in/", session.sign_in, name="sign_in"),
    path("sign-out/", session.sign_out, name="sign_out"),
    path("account/", session.account, name="account"),
    path("people/", people.people, name="people"),
    path("people/new/", people.new_person, name="new_person"),
    path("people/<uuid:public_id>/", people.person, name="person"),
    path("people/<uuid:public_id>/password/", people.person_password, name="person_password"),
    path("people/<uuid:public_id>/active/", people.person_active, name="person_active"),
    path("people/<uuid:public_id>/sessions/", people.person_sessions, name="person_sessions"),
    path("people/<uuid:public_id>/groups/", people.person_groups, name="person_groups"),
    path("groups/", groups.groups, name="groups"),
    path("groups/new/", groups.new_group, name="new_group"),
    path("groups/<uuid:public_id>/", groups.group, name="group"),
    path("groups/<uuid:public_id>/people/", groups.group_people, name="group_people"),
    path("groups/<uuid:public_id>/groups/", groups.group_nesting, name="group_nesting"),
    path("groups/<uuid:public_id>/remove/", groups.group_removal, name="group_removal"),
    path("audit/events/", audit.events, name="events"),
    path("audit/events/<int:position>/", audit.event, name="event"),
    path("audit/events/export.<str:form>", audit.events_export, name="events_export"),
    path("audit/integrity/", audit.integrity, name="integrity"),
    path("audit/integrity/verify/", audit.verify, name="verify"),
    path("audit/integrity/bundle.zip", audit.bundle, name="bundle"),
]
