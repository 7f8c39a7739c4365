"""manage.py create_person: the first administrator, or anybody else, from the command line."""

import getpass
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.actions import create_person
from accounts.audit import By
from accounts.errors import ActionRefused


class Command(BaseCommand):
    help = "Create a person who can sign in. Asks for the password, or reads one line when the input is not a terminal."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="the address to sign in with")
        parser.add_argument(
            "--name", default="", help="the full name; the address's first part when left out"
        )
        parser.add_argument("--job-title", default="", help="shown on the person's page")
        parser.add_argument(
            "--admin", action="store_true", help="may connect sources and manage people and groups"
        )
        parser.add_argument("--auditor", action="store_true", help="may see how every answer came about")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's own signature
        email = str(options["email"])
        try:
            person = create_person(
                by=By.system("manage.py create_person"),
                email=email,
                name=options["name"] or email.partition("@")[0],
                job_title=options["job_title"],
                password=_password(),
                is_admin=options["admin"],
                is_auditor=options["auditor"],
            )
        except ActionRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        roles = [
            name
            for name, held in (("administrator", person.is_admin), ("auditor", person.is_auditor))
            if held
        ]
        self.stdout.write(
            f"{person.name} <{person.email}> can sign in{' as ' + ' and '.join(roles) if roles else ''}."
        )


def _password() -> str:
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise CommandError(
                "No password came in. Pipe one line into this command, or run it in a terminal."
            )
        return password
    password = getpass.getpass("Password: ")
    if getpass.getpass("Password again: ") != password:
        raise CommandError("The two passwords differ. Nothing was created.")
    return password
