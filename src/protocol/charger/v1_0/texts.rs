//! Where texts are in the messages of revision 1.0 that are repaired.

use super::{
    super::{
        repair::{
            Part::{Inner, Name, Text},
            Shape,
        },
        v1_10::texts::COST,
    },
    Id,
};

const ID_TOKEN: Shape = &[(1, Name), (3, Text), (4, Text), (5, Text)];

const BOOT: Shape =
    &[(1, Text), (2, Text), (3, Text), (4, Text), (5, Text), (8, Text), (9, Text), (11, Text)];

const AUTHORIZE: Shape = &[(1, Inner(ID_TOKEN)), (2, Text)];

const START: Shape = &[(1, Name), (3, Inner(ID_TOKEN)), (9, Text), (10, Text), (13, Text)];

const STOP: Shape =
    &[(1, Name), (2, Text), (3, Inner(ID_TOKEN)), (7, Inner(COST)), (10, Text), (12, Text)];

const WHOLE: Shape = &[
    (1, Name),
    (2, Text),
    (4, Inner(ID_TOKEN)),
    (11, Text),
    (13, Inner(COST)),
    (16, Text),
    (24, Text),
];

const BATTERY: Shape = &[(19, Text), (24, Text), (25, Text), (29, Text), (30, Text), (31, Text)];

const PROGRESS: Shape = &[(1, Name), (6, Inner(BATTERY)), (10, Inner(COST))];

const WARNING: Shape = &[(2, Text), (5, Name), (6, Text)];

/// The same messages as in 1.10.
pub const SHAPES: [(Id, Shape); 7] = [
    (Id::IdBootNotificationReq, BOOT),
    (Id::IdAuthorizeReq, AUTHORIZE),
    (Id::IdStartTransactionReq, START),
    (Id::IdStopTransactionReq, STOP),
    (Id::IdTransactionReq, WHOLE),
    (Id::IdChargingInfoReq, PROGRESS),
    (Id::IdWarningReq, WARNING),
];
