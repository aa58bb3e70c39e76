//! MQTT doors for the piles.
