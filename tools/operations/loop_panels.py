"""The dashboard of the closed loop: from a case to the gates."""

from typing import Final

from tools.operations.panels import HERE, Panel, Row

LOOP: Final[tuple[Row, ...]] = (
    (
        "The clock 从批准到卡口",
        (
            Panel(
                "Second approval → last projection, 99th percentile",
                "s",
                ((f"namespace:lilitong_loop_seconds:p99{{{HERE}}}", "loop"),),
                "The promise is two seconds.",
                stat=True,
                bad=2,
            ),
            Panel(
                "A confirmed case waits",
                "s",
                ((f"max(lilitong_loop_waiting_seconds{{{HERE}}})", "waiting"),),
                stat=True,
                bad=30,
            ),
            Panel(
                "Days with a published list",
                "short",
                ((f"max(lilitong_day_sets_published{{{HERE}}})", "days"),),
                "Three when all is well.",
                stat=True,
            ),
            Panel(
                "Hops, 99th percentile",
                "s",
                (
                    (f"namespace:lilitong_loop_impose_seconds:p99{{{HERE}}}", "approval → restricted and listed"),
                    (f"namespace:lilitong_relay_seconds:p99{{{HERE}}}", "→ on the bus"),
                    (f"namespace:lilitong_projection_seconds:p99{{{HERE}}}", "→ in venue and checkpoint"),
                ),
            ),
            Panel(
                "Age of the list",
                "s",
                ((f"max by (job, pod) (lilitong_list_age_seconds{{{HERE}}})", "{{pod}}"),),
                "Since a replica's list was last known to be all there is.",
                bad=60,
            ),
            Panel(
                "People found for cases",
                "short",
                ((f"sum by (kind) (increase(lilitong_contacts_found_total{{{HERE}}}[1h]))", "{{kind}}"),),
            ),
        ),
    ),
    (
        "At the gates 卡口",
        (
            Panel(
                "Scans a second",
                "reqps",
                ((f"sum by (verdict) (rate(lilitong_scans_total{{{HERE}}}[5m]))", "{{verdict}}"),),
            ),
            Panel(
                "Scans answered without a record",
                "percentunit",
                (
                    (
                        (
                            f"sum(rate(lilitong_scans_unrecorded_total{{{HERE}}}[5m]))"
                            f" / (sum(rate(lilitong_scans_total{{{HERE}}}[5m])) > 0)"
                        ),
                        "unrecorded",
                    ),
                ),
                bad=0.01,
            ),
            Panel(
                "Uploads",
                "short",
                ((f"sum by (outcome) (rate(lilitong_scan_uploads_total{{{HERE}}}[5m]))", "{{outcome}}"),),
            ),
            Panel("Scanners connected", "short", ((f"sum(lilitong_sync_streams{{{HERE}}})", "connected"),)),
            Panel(
                "Scanners by the time since they followed the list",
                "short",
                ((f"max by (synced_within) (lilitong_devices{{{HERE}}})", "{{synced_within}}"),),
            ),
            Panel(
                "Check-ins a second",
                "reqps",
                ((f"sum by (fate) (rate(lilitong_check_ins_total{{{HERE}}}[5m]))", "{{fate}}"),),
            ),
        ),
    ),
    (
        "Keys 密钥",
        (
            Panel(
                "Day keys ahead",
                "short",
                ((f"max(lilitong_day_keys_ahead{{{HERE}}})", "days"),),
                "Eight when all is well.",
                stat=True,
            ),
            Panel(
                "Age of the newest signing key",
                "s",
                ((f"time() - min by (use) (lilitong_signing_key_made_timestamp_seconds{{{HERE}}})", "{{use}}"),),
            ),
            Panel(
                "Venue codes of a former key, shown an hour",
                "short",
                ((f"sum(increase(lilitong_venue_code_former_key_total{{{HERE}}}[1h]))", "codes"),),
                "Posters that still hang; at none the former key can be retired.",
            ),
            Panel(
                "Hits that led nowhere",
                "short",
                ((f"sum by (cause) (increase(lilitong_exposure_dropped_total{{{HERE}}}[1h]))", "{{cause}}"),),
            ),
        ),
    ),
)
