import io
import json
import logging

import pytest
import structlog
from chassis import logs
from chassis.logs import PersonalDataError


@pytest.fixture(autouse=True)
def restored():
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = before


@pytest.fixture
def out():
    return io.StringIO()


def lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_json_with_service_level_and_time(out):
    logs.setup("venue", stream=out)
    structlog.get_logger().info("started", ports=[1])
    (line,) = lines(out)
    assert (line["service"], line["level"], line["event"], line["ports"]) == ("venue", "info", "started", [1])
    assert line["timestamp"].endswith("Z")


def test_lines_of_the_standard_library_look_the_same(out):
    logs.setup("venue", stream=out)
    logging.getLogger("other").warning("odd %s", "thing")
    assert [(x["event"], x["service"], x["level"]) for x in lines(out)] == [("odd thing", "venue", "warning")]


@pytest.mark.parametrize("key", ["tag", "person_id", "Token", "authorization", "phone", "id_number", "name"])
def test_a_key_that_may_hold_personal_data_is_redacted_in_production_and_raises_in_tests(out, key):
    logs.setup("venue", stream=out)
    structlog.get_logger().info("x", **{key: "13800000000"}, nested={key: "13800000000"})
    assert "13800000000" not in out.getvalue()
    assert lines(out)[0][key] == "[redacted]"
    logs.setup("venue", strict=True, stream=out)
    with pytest.raises(PersonalDataError):
        structlog.get_logger().info("x", nested={key: "13800000000"})


def test_an_exception_is_logged_by_type_and_place_without_its_text(out):
    logs.setup("venue", stream=out)
    try:
        raise ValueError("Key (name)=(张三)")  # noqa: TRY301 - to have frames
    except ValueError as error:
        structlog.get_logger().error("failed", exc_info=error)
    (line,) = lines(out)
    assert line["error"] == "ValueError"
    assert line["frames"][-1].endswith("test_an_exception_is_logged_by_type_and_place_without_its_text")
    assert "张三" not in out.getvalue()


def test_the_standard_librarys_exceptions_keep_their_text_to_themselves_too(out):
    logs.setup("venue", stream=out)
    try:
        raise ValueError("张三")  # noqa: TRY301 - as above
    except ValueError:
        logging.getLogger("other").exception("failed")
    assert lines(out)[0]["error"] == "ValueError"
    assert "张三" not in out.getvalue()


def test_the_level_is_kept(out):
    logs.setup("venue", level="WARNING", stream=out)
    structlog.get_logger().info("x")
    logging.getLogger("other").info("x")
    assert out.getvalue() == ""
