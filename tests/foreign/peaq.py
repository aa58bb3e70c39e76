"""A gateway of peaq: a paho client behind a broker, with books."""

from classes import classes
from station import Connection
from waiting import until
from wire import parse

# From the facts: numbers, names and types.
ENUMS = {
    "EventType": {
        "CHARGING_STATUS": 0, "BOOT_NOTIFICATION_REQUEST": 23, "LOG": 24, "AUTHORIZE_REQUEST": 25,
        "AUTHORIZE_RESPONSE": 26, "CHECK_AVAILABILITY_REQUEST": 27,
        "CHECK_AVAILABILITY_RESPONSE": 28, "START_TRANSACTION_REQUEST": 29,
        "START_TRANSACTION_RESPONSE": 30, "EV_CHARGE_STATUS": 31,
        "NOTIFY_CHARGE_POINT_STATE_CHANGE": 32, "STOP_TRANSACTION_REQUEST": 33,
        "STOP_TRANSACTION_RESPONSE": 34,
    },
}
MESSAGES = """
Event: 1 event_id EventType; 17 boot_notification_request_data BootNotificationRequestData; 18
  log_data LogData; 19 authorize_request_data AuthorizeRequestData; 20 authorize_response_data
  AuthorizeResponseData; 21 check_availability_request_data CheckAvailabilityRequestData; 22
  check_availability_response_data CheckAvailabilityResponseData; 24
  start_transaction_request_data StartTransactionRequestData; 25 start_transaction_response_data
  StartTransactionResponseData; 26 ev_charge_status_data EVChargingStatusData; 27
  stop_transaction_request_data StopTransactionRequestData; 28 stop_transaction_response_data
  StopTransactionResponseData; 29 notify_charge_point_state_change_data
  NotifyChargePointStateChangeData
BootNotificationRequestData: 1 charge_box_serial_number string; 2 charge_point_model string; 3
  Charge_point_serial_number string; 4 Charge_point_vendor string; 5 firmware_version string; 6
  iccid string; 7 imsi string; 8 meter_serial_number string; 9 meter_type string
LogData: 1 current_time string; 2 resp Response
AuthorizeRequestData: 1 charge_point_client_id string; 2 consumer_public_key string
AuthorizeResponseData: 1 consumer_public_key string; 2 resp Response
CheckAvailabilityRequestData: 1 charge_point_client_id string; 2 connector_id int32
CheckAvailabilityResponseData: 1 resp Response
StartTransactionRequestData: 1 charge_point_client_id string; 2 connector_id int32; 3
  consumer_public_key string
StartTransactionResponseData: 1 consumer_public_key string; 2 resp Response
NotifyChargePointStateChangeData: 1 charge_point_client_id string
Response: 1 error bool; 2 message string
EVChargingStatusData: 1 current_offered float; 2 current_unit string; 3 voltage_offered float; 4
  voltage_unit string
StopTransactionRequestData: 1 charge_point_client_id string; 2 connector_id int32; 3
  consumer_public_key string
StopTransactionResponseData: 1 consumer_public_key string; 2 transaction_info TransactionInfo; 3
  resp Response
ChargePointState: 1 id string; 2 status string; 3 connectors map<int32, ConnectorInfo>; 4
  transactions map<int32, TransactionInfo>; 5 auth_list map<string, ConsumerAuthData>; 6
  current_auth_list_version int32; 7 current_transaction_id int32
ConnectorInfo: 1 id int32; 2 status string; 3 current_transaction int32
TransactionInfo: 1 id int32; 2 id_tag string; 3 connector_id int32; 4 start_time string; 5
  end_time string; 6 start_meter int32; 7 end_meter int32; 8 progress EVChargingStatusData
ConsumerAuthData: 1 public_key string; 2 transaction_id int32; 3 auth_data
  LocalAuthorizationData
LocalAuthorizationData: 1 idTag string; 2 idTagInfo IdTagInfo
IdTagInfo: 1 expiryDate string; 2 parentIdTag string; 3 status string
"""
CLASSES = classes("peaq", MESSAGES, ENUMS)
EVENT, STATE = CLASSES["Event"], CLASSES["ChargePointState"]
# Number of an event by the name of its data; the envelope names both.
NUMBERS = {
    "boot_notification_request_data": 23,
    "log_data": 24,
    "authorize_request_data": 25,
    "authorize_response_data": 26,
    "check_availability_request_data": 27,
    "check_availability_response_data": 28,
    "start_transaction_request_data": 29,
    "start_transaction_response_data": 30,
    "ev_charge_status_data": 31,
    "notify_charge_point_state_change_data": 32,
    "stop_transaction_request_data": 33,
    "stop_transaction_response_data": 34,
}


class Gateway(Connection):
    def __init__(self, port, client_id):
        filters = [(f"peaq/{client_id}/event", 1), (f"peaq/{client_id}/state", 1)]
        super().__init__(port, "GATEWAY", None, None, filters)
        self.charge_point = client_id
        self.events = []  # name of the data, and the data
        self.states = []
        self.errors = []

    def on_message(self, topic, payload):
        try:
            if topic.endswith("/state"):
                self.states.append(parse(STATE, payload))
            else:
                self.events.append(self.read(payload))
        except Exception as error:  # the classes raise what they like
            self.errors.append((topic, payload, error))

    def read(self, payload):
        event = parse(EVENT, payload)
        data = [f for f, _ in event.ListFields() if f.name != "event_id"]
        assert len(data) == 1, event
        assert event.event_id == NUMBERS[data[0].name], event
        return data[0].name, getattr(event, data[0].name)

    def of(self, name):
        return [data for found, data in list(self.events) if found == f"{name}_data"]

    def ask(self, name, wait=True, **fields):
        """Sends a request; its answer."""
        before = len(self.of(f"{name}_response"))
        event = EVENT(event_id=NUMBERS[f"{name}_request_data"])
        data = getattr(event, f"{name}_request_data")
        data.SetInParent()
        data.charge_point_client_id = self.charge_point
        for key, value in fields.items():
            setattr(data, key, value)
        topic = f"peaq/{self.charge_point}/request"
        self.publish(topic, event.SerializeToString(), qos=1)
        if not wait:
            return None
        until(lambda: len(self.of(f"{name}_response")) > before, f"an answer to {name}", 20)
        return self.of(f"{name}_response")[before]
