"""What the cloud asks of the site, end to end."""

import time

from controller import pile_code
from waiting import until
from wire import pb


def remote_start(connector, transaction_id, evse):
    return pb.RemoteStartTransactionReq(
        connectorId=connector,
        IdData=pb.IdToken(id="APP1"),
        transactionId=transaction_id,
        evseId=evse,
    )


def command_codes(pile):
    return [apdu.messageId for apdu in pile.commands]


def test_remote_start_and_stop(site):
    site.run(piles=2).wait_uplink()
    pile = site.pile(2)
    backend = site.backend
    request = remote_start("4", "CLOUD-TX-1", pile_code(2))
    sequence = backend.command(pb.ID_RemoteStartTransactionReq, request)
    assert backend.wait_answer(sequence, pb.RemoteStartTransactionConf).status == 0
    order = until(lambda: pile.orders and pile.orders[0], "the pile starts")
    assert order.connector == 2
    until(lambda: order.start_answered, "the start is answered")
    assert order.transaction_id == order.id, "the backend's id is never shown to a pile"
    starts = until(lambda: backend.of_kind(pb.ID_StartTransactionReq), "start at the backend")
    assert starts[0].message.transactionId == "CLOUD-TX-1"
    assert starts[0].record == order.id

    stop = pb.RemoteStopTransactionReq(connectorID="4", transactionId="CLOUD-TX-1")
    sequence = backend.command(pb.ID_RemoteStopTransactionReq, stop)
    assert backend.wait_answer(sequence, pb.RemoteStopTransactionConf).status == 0
    until(lambda: order.answered_by, "the pile stops")
    backend.wait_settled([order.id])
    ends = backend.of_kind(pb.ID_StopTransactionReq) + backend.of_kind(pb.ID_TransactionReq)
    assert {copy.message.transactionId for copy in ends} == {"CLOUD-TX-1"}


def test_a_remote_start_repeated_starts_once(site):
    site.run().wait_uplink()
    pile = site.pile(1)
    request = remote_start("1", "CLOUD-TX-2", pile_code(1))
    site.backend.command(pb.ID_RemoteStartTransactionReq, request, repeat=3)
    # The same transaction again under a new sequence id.
    site.backend.command(pb.ID_RemoteStartTransactionReq, request)
    until(lambda: pile.orders and pile.orders[0].start_answered, "the pile starts")
    site.backend.command(pb.ID_RemoteStartTransactionReq, request)
    time.sleep(1)
    assert command_codes(pile).count(pb.ID_RemoteStartTransactionReq) == 1
    assert len(pile.orders) == 1


def test_a_remote_start_for_an_absent_pile_fails_and_is_not_kept(site):
    site.run().wait_uplink()
    request = remote_start("1", "CLOUD-TX-3", pile_code(1))
    sequence = site.backend.command(pb.ID_RemoteStartTransactionReq, request)
    answer = site.backend.wait_answer(sequence, pb.RemoteStartTransactionConf, 60)
    assert isinstance(answer, pb.MessageError) or answer.status != 0
    pile = site.pile(1)
    time.sleep(1)
    assert pb.ID_RemoteStartTransactionReq not in command_codes(pile)


def test_a_remote_start_just_before_a_crash_does_not_start_afterwards(site):
    site.run().wait_uplink()
    pile = site.pile(1)
    pile.accept_remote_start = False
    request = remote_start("1", "CLOUD-TX-4", pile_code(1))
    site.backend.command(pb.ID_RemoteStartTransactionReq, request)
    site.controller.kill()
    pile.accept_remote_start = True
    pile.commands.clear()
    site.controller.start()
    until(lambda: len(pile.boots) >= 2, "the pile boots again")
    site.wait_uplink(boots=2)
    time.sleep(1)
    assert pb.ID_RemoteStartTransactionReq not in command_codes(pile)


def test_transactions_are_listed_on_request(site):
    site.run(piles=2).wait_uplink()
    pile = site.pile(1)
    done = [pile.whole_order() for _ in range(3)]
    running = pile.begin(connector=2)
    assert pile.announce(running)
    site.backend.wait_settled([order.id for order in done])
    before = len(site.backend.of_kind(pb.ID_TransactionReq))
    request = pb.GetTransactionsReq(connectorId="1", level=2)
    sequence = site.backend.command(pb.ID_GetTransactionsReq, request)
    conf = site.backend.wait_answer(sequence, pb.GetTransactionsConf)
    assert conf.totalCount == 3
    copies = until(
        lambda: (
            len(site.backend.of_kind(pb.ID_TransactionReq)) >= before + 3
            and site.backend.of_kind(pb.ID_TransactionReq)[before:]
        ),
        "the orders asked for",
    )
    assert {copy.record for copy in copies} == {order.id for order in done}
    site.backend.check_copies()
    # A span of time without orders.
    request = pb.GetTransactionsReq(level=2, startTime=1_500_000_000, endTime=1_500_000_001)
    sequence = site.backend.command(pb.ID_GetTransactionsReq, request)
    assert site.backend.wait_answer(sequence, pb.GetTransactionsConf).totalCount == 0
    pile.finish(running)
    assert pile.report(running)


def test_messages_are_triggered_on_request(site):
    site.run().wait_uplink()
    pile = site.pile(1)
    backend = site.backend
    boots = len(backend.boots)
    request = pb.TriggerMessageReq(request=pb.ID_BootNotificationReq)
    sequence = backend.command(pb.ID_TriggerMessageReq, request)
    answer = backend.wait_answer(sequence, pb.TriggerMessageConf)
    assert answer.status == pb.TriggerMessageConf.Accepted
    until(lambda: len(backend.boots) > boots, "another boot")
    heartbeats = backend.heartbeats
    request = pb.TriggerMessageReq(request=pb.ID_HeartbeatReq)
    sequence = backend.command(pb.ID_TriggerMessageReq, request)
    backend.wait_answer(sequence, pb.TriggerMessageConf)
    until(lambda: backend.heartbeats > heartbeats, "a heartbeat")
    # What nobody can send again is refused.
    request = pb.TriggerMessageReq(request=pb.ID_RemoteStartTransactionReq)
    sequence = backend.command(pb.ID_TriggerMessageReq, request)
    answer = backend.wait_answer(sequence, pb.TriggerMessageConf)
    assert isinstance(answer, pb.MessageError) or answer.status == pb.TriggerMessageConf.Rejected
    assert pile.ready.is_set()


def test_what_a_cloud_has_no_business_to_ask_is_refused(site):
    site.run().wait_uplink()
    sequence = site.backend.command(pb.ID_BootNotificationReq, pb.BootNotificationReq())
    answer = site.backend.wait_answer(sequence, pb.BootNotificationConf)
    assert isinstance(answer, pb.MessageError)
    assert answer.error == pb.EC_NotSupported
