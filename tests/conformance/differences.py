"""Where the doors and mosquitto differ, and why. A difference that is not here fails the suite,
and so does one that is here and no longer there."""

from typing import NamedTuple


class Difference(NamedTuple):
    ours: str
    mosquitto: str
    why: str


_PASSED = "reserved flags are no MQTT (2.2.2) and are not passed over"
_SERVER = "a client that sends a server's packets is broken or hostile"

# On purpose: the standard leaves it open, or mosquitto serves what a site does not need.
CHOSEN = {
    "id_of_200_characters": Difference(
        "CONNACK 2", "accepted", "ids have at most 128 bytes: they are kept in sessions and logs"
    ),
    "id_with_signs_of_topics": Difference(
        "CONNACK 2", "accepted", "ids end up in topics, logs and file names: no / + # $"
    ),
    "mqtt_5": Difference("CONNACK 1", "accepted", "piles speak 3.1.1"),
    "mqtt_3_1": Difference("CONNACK 1", "accepted", "piles speak 3.1.1"),
    "another_protocol": Difference(
        "CONNACK 1", "closed", "what looks like a CONNECT is told that its version is not served"
    ),
    "connect_over_seven_seconds": Difference(
        "closed", "accepted", "who has not logged in after 5 seconds makes room for others"
    ),
    "will_on_a_forbidden_topic": Difference(
        "CONNACK 5", "accepted", "told at the login, rather than dropped when it is needed"
    ),
    "same_id_of_two_accounts": Difference(
        "apart", "taken over", "nobody takes over the session of another login"
    ),
    "everything_for_who_may_not": Difference(
        "refused", "granted", "a filter wider than the rights is refused, rather than silent"
    ),
    "state_of_the_broker": Difference(
        "refused", "granted", "there is no $SYS; the controller has its own status and metrics"
    ),
    "shared_subscription": Difference("refused", "granted", "$share is no part of MQTT 3.1.1"),
    "filter_of_100_levels": Difference(
        "closed", "granted", "at most 32 levels: the protocols of piles use 5"
    ),
}

# The standard says it the way the doors do it.
STRICTER = {
    "publish_dup_qos_0": Difference("closed", "passed over", "forbidden by 3.3.1.1"),
    "puback_flags": Difference("closed", "passed over", _PASSED),
    "pubrec_flags": Difference("closed", "answered", _PASSED),
    "pubcomp_flags": Difference("closed", "passed over", _PASSED),
    "ping_flags": Difference("closed", "passed over", _PASSED),
    "suback_from_client": Difference("closed", "passed over", _SERVER),
    "unsuback_from_client": Difference("closed", "passed over", _SERVER),
    "pingresp_from_client": Difference("closed", "passed over", _SERVER),
    "take_over_of_kept_sessions_publishes_the_will": Difference(
        "published", "not published", "a link closed without DISCONNECT publishes its will"
    ),
    "overlapping_filters": Difference(
        "once", "with the lesser QoS", "the greatest QoS of all filters that match (3.3.5)"
    ),
}

DIFFERENCES = CHOSEN | STRICTER
