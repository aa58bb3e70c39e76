//! Where texts are in the messages of revision 1.10 that are repaired.

use super::{
    super::repair::{
        Part::{Inner, Name, Text},
        Shape,
    },
    wire::MessageId as Id,
};

const ADDITIONAL: Shape = &[(1, Name)];

const ID_TOKEN: Shape = &[(1, Name), (3, Text), (4, Text), (5, Text), (12, Inner(ADDITIONAL))];

const BILL: Shape = &[(3, Text)];

/// The same in both revisions.
pub const COST: Shape = &[(1, Inner(BILL))];

const BOOT: Shape = &[
    (1, Text),
    (2, Text),
    (3, Text),
    (4, Text),
    (5, Text),
    (8, Text),
    (9, Text),
    (11, Text),
    (14, Text),
    (15, Text),
    (16, Text),
    (17, Text),
    (18, Text),
];

const AUTHORIZE: Shape = &[(1, Inner(ID_TOKEN)), (2, Text)];

const START: Shape = &[
    (1, Name),
    (2, Text),
    (3, Inner(ID_TOKEN)),
    (9, Text),
    (10, Text),
    (13, Text),
    (17, Text),
    (33, Text),
];

const STOP: Shape = &[
    (1, Name),
    (2, Text),
    (3, Inner(ID_TOKEN)),
    (7, Inner(COST)),
    (8, Text),
    (10, Text),
    (12, Text),
    (17, Text),
    (30, Text),
];

const WHOLE: Shape = &[
    (1, Name),
    (2, Text),
    (3, Text),
    (4, Inner(ID_TOKEN)),
    (11, Text),
    (13, Inner(COST)),
    (16, Text),
    (24, Text),
    (31, Text),
    (43, Text),
];

const PROGRESS: Shape =
    &[(1, Name), (2, Text), (3, Text), (12, Inner(COST)), (23, Inner(ID_TOKEN)), (28, Text)];

const WARNING: Shape = &[(2, Text), (5, Name), (6, Text), (8, Text), (14, Text)];

/// The messages that are repaired. In any other a broken text is a fault of the sender.
pub const SHAPES: [(Id, Shape); 7] = [
    (Id::IdBootNotificationReq, BOOT),
    (Id::IdAuthorizeReq, AUTHORIZE),
    (Id::IdStartTransactionReq, START),
    (Id::IdStopTransactionReq, STOP),
    (Id::IdTransactionReq, WHOLE),
    (Id::IdChargingInfoReq, PROGRESS),
    (Id::IdWarningReq, WARNING),
];
