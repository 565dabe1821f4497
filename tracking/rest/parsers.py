"""DRF's JSON parser, with safe errors."""

from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class SafeJSONParser(JSONParser):
    """DRF's JSONParser, with 400 in place of 500 for JSON that is nested too deeply.

    Its messages never quote the body, as DRF's may.
    """

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None
    ) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("JSON parse error: nested too deeply") from None
        except ParseError as error:
            raise ParseError("JSON parse error: send one JSON object, in UTF-8") from error
