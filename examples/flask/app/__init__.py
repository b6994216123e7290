"""A guest book in Flask: read the entries, add one."""

from flask import Flask, Response, abort, jsonify, request


def create_app() -> Flask:
    """Make the application; its entries live as long as the process."""
    app = Flask(__name__)
    entries: list[str] = []

    @app.get("/")
    def index() -> Response:
        return jsonify(entries=entries)

    @app.post("/")
    def add() -> tuple[Response, int]:
        text = request.form.get("text", "").strip()
        if not text:
            abort(400, "text is empty")
        entries.append(text)
        return jsonify(entries=entries), 201

    @app.get("/healthz")
    def health() -> str:
        return "ok"

    return app
