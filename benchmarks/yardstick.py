"""The yardstick of the page benchmark: a bare Flask route, 25 ORM rows, one Jinja template. Nothing of the product."""

import os

from flask import Flask, render_template
from jinja2 import DictLoader
from sqlmodel import col, select

from lms_plugin.db import engine, session_factory
from lms_plugin.people import Person

PAGE = """<!doctype html>
<html lang="zh-Hans"><head><meta charset="utf-8"><title>名单</title></head><body>
<table><thead><tr><th>姓名</th><th>工号</th><th>学科</th><th>登记时间</th></tr></thead><tbody>
{%- for person in people %}
<tr><td>{{ person.name }}</td><td>{{ person.staff_number }}</td><td>{{ person.subject }}</td>
<td>{{ person.created_at.isoformat() }}</td></tr>
{%- endfor %}
</tbody></table></body></html>"""
ROWS = 25


def app() -> Flask:
    """The yardstick as a WSGI application on the database of NENGLI_DATABASE_URL."""
    made = Flask("yardstick")
    made.jinja_loader = DictLoader({"page.html": PAGE})  # compiled once, as a file would be
    sessions = session_factory(engine(os.environ["NENGLI_DATABASE_URL"]))

    @made.get("/")
    def page() -> str:
        with sessions() as session:
            return render_template(
                "page.html", people=session.exec(select(Person).order_by(col(Person.id).desc()).limit(ROWS)).all()
            )

    return made
