"""Reading reports in tests: every sample is validated against its schema, and
every identity is checked."""
import functools
import json
import os

import jsonschema

SCHEMAS = os.path.join(os.path.dirname(__file__), "../../results/schema")


@functools.lru_cache(maxsize=None)
def validator(name):
    with open(os.path.join(SCHEMAS, name + ".schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def total_of(lengths):
    assert sum(row["count"] for row in lengths["histogram"]) == lengths["count"], lengths
    return round(lengths["count"] * (lengths["mean"] or 0))


def check_patterns(udp):
    """Each way of counting the same datagrams comes to the same number."""
    missing = udp["lost_or_late"]
    assert missing == udp["lost"] + udp["late"] == udp["sent"] - (udp["unique"] - udp["late"]), udp
    patterns, order = udp["loss_patterns"], udp["reordering"]
    refused = total_of(patterns["runs"]) - missing  # after the call had returned: sent they were not
    assert 0 <= refused <= udp["loss_where"]["client_send"], (patterns["runs"], udp["loss_where"])
    assert patterns["in_bursts"] + patterns["alone"] == missing + refused, patterns
    assert patterns["distances"]["count"] <= missing + refused, patterns
    assert udp["copies"]["count"] == udp["unique"], udp["copies"]
    for row in udp["per_flow"] or ():
        assert row["sent"] == row["unique"] + row["lost"], row
    if order is None:  # nobody knows in which order they came
        assert udp["reordered"] is None, udp
        return
    assert order["extents"]["count"] == order["n_reordering"]["count"] == udp["reordered"], order
    assert (order["late_offset"] or {"count": 0})["count"] == udp["reordered"], order
    assert total_of(order["free_runs"]) == udp["unique"] - udp["reordered"], order


def check_load_report(report):
    """Asserts schema and identities of a report of sockbench-load; returns it."""
    errors = ["%s: %s" % ("/".join(map(str, e.path)), e.message) for e in validator("load").iter_errors(report)]
    assert not errors, "\n".join(errors)
    a = report["accounting"]
    assert a["scheduled"] == a["sent"] + a["skipped"], a
    assert a["sent"] == a["ok"] + a["error"] + a["timeout"] + a["unfinished"], a
    assert a["error"] == sum(a["errors"].values()), a
    response = report["latency"]["response"]
    one_way = report["load"]["one_way"]
    assert (response["count"] if response else 0) == (0 if one_way else a["ok"]), (response, a)
    size = report["load"]["size"]
    achieved = size["achieved_mean_bytes"]
    assert achieved is None or size["min_bytes"] <= achieved <= size["max_bytes"], size
    flows = report["load"]["flows"]
    assert flows["served"] + flows["unserved"] == flows["connected"] <= flows["offered"], flows
    udp = report["udp"]
    if udp and one_way:
        assert udp["sent"] == a["ok"], (udp, a)
    if udp and udp["received"] is not None:
        assert udp["sent"] == udp["unique"] + udp["lost"], udp
        assert udp["received"] == sum(udp[k] for k in ("unique", "duplicate", "ancient", "foreign", "corrupt")), udp
    if udp and udp["loss_patterns"]:
        check_patterns(udp)
        # In a closed loop a request is due when it is sent: both clocks agree on what is late.
        if report["load"]["model"] == "closed" and not one_way and not a["error"] and not udp["ancient"]:
            assert udp["lost_or_late"] == a["timeout"] + a["unfinished"], (udp["lost"], udp["late"], a)
    return report


def read_load_report(path):
    with open(path, encoding="utf-8") as file:
        return check_load_report(json.load(file))
