//! Messages that are passed on between a backend and a pile: what they name, and the same in
//! other words.

use bytes::Bytes;
use prost::Message as _;

use super::{
    super::wire::messages_of_1_10,
    DecodeError, EncodeError, Opened, Outgoing, in_1_10, name_of, values,
    wire::{self, MessageId as Id},
};
use crate::domain::{
    event::Named,
    id::{ConnectorNo, PileCode},
    passing::{Address, Deposit, Names, Pass, Passed},
};

/// Something a message names.
enum Name<'a> {
    /// A pile, and perhaps a connector.
    Place { evse: &'a mut String, connector: &'a mut String },
    /// A connector alone.
    Connector(&'a mut String),
    /// An order.
    Order(&'a mut String),
    /// A reservation or a profile.
    Deposit(Deposit),
    /// That charging is to begin.
    Beginning,
}

/// A message that names something.
trait Naming {
    /// Shows everything it names; what is written into a name stays there.
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>));
}

macro_rules! naming_messages {
    ($($id:ident: $message:ident,)*) => {
        /// Shows what a message names, and gives it with what was written into the names; `None`
        /// for messages that name nothing.
        fn shown(
            id: Id,
            body: &Bytes,
            each: &mut dyn FnMut(Name<'_>),
        ) -> Result<Option<Bytes>, DecodeError> {
            match id {
                $(Id::$id => {
                    let mut message: wire::$message = read(body)?;
                    message.show(each);
                    Ok(Some(message.encode_to_vec().into()))
                })*
                _ => Ok(None),
            }
        }
    };
}

naming_messages! {
    IdRemoteControlReq: RemoteControlReq,
    IdGetReportReq: GetReportReq,
    IdGetVariablesReq: GetVariablesReq,
    IdGetVariablesConf: GetVariablesConf,
    IdChangeAvailabilityReq: ChangeAvailabilityReq,
    IdReserveNowReq: ReserveNowReq,
    IdCancelReservationReq: CancelReservationReq,
    IdNotifyReportReq: NotifyReportReq,
    IdNotifyReportConf: NotifyReportConf,
    IdSetVariablesReq: SetVariablesReq,
    IdSetChargingProfileReq: SetChargingProfileReq,
    IdClearChargingProfileReq: ClearChargingProfileReq,
    IdGetChargingProfileReq: GetChargingProfilesReq,
    IdReportChargingProfileReq: ReportChargingProfilesReq,
    IdSendQrCodeReq: SendQrCodeReq,
}

/// A request of a backend, to be passed to a pile.
pub fn from_backend(id: Id, apdu: &Opened) -> Result<Pass, DecodeError> {
    check(id, apdu)?;
    let mut address = Address::default();
    shown(id, &apdu.body, &mut |name| match name {
        Name::Place { evse, connector } => {
            note_pile(&mut address, evse);
            note_connector(&mut address, connector);
        }
        Name::Connector(connector) => note_connector(&mut address, connector),
        Name::Order(order) => note_order(&mut address, order),
        Name::Deposit(deposit) => {
            address.deposits.insert(deposit);
        }
        Name::Beginning => address.begins_charging = true,
    })?;
    Ok(Pass { original: apdu.original.clone(), address })
}

/// A request of a pile, to be passed to the backend. The pile is known by its connection.
pub fn from_pile(id: Id, apdu: &Opened) -> Result<Pass, DecodeError> {
    check(id, apdu)?;
    let mut address = Address::default();
    shown(id, &apdu.body, &mut |name| {
        if let Name::Order(order) = name {
            note_order(&mut address, order);
        }
    })?;
    Ok(Pass { original: apdu.original.clone(), address })
}

fn note_pile(address: &mut Address, text: &str) {
    if matches!(text, "" | "0") {
        return;
    }
    match PileCode::new(text) {
        Ok(pile) => {
            address.piles.insert(pile);
        }
        Err(_) => address.names_strangers = true,
    }
}

fn note_connector(address: &mut Address, text: &str) {
    match values::named_connector(text) {
        Named::This(connector) => {
            address.connectors.insert(connector);
        }
        Named::Foreign => address.names_strangers = true,
        Named::Nothing => {}
    }
}

fn note_order(address: &mut Address, text: &str) {
    if text.is_empty() {
        return;
    }
    match values::transaction(text) {
        Some(order) => {
            address.orders.insert(order);
        }
        None => address.names_strangers = true,
    }
}

/// A message of the backend, as the pile is to read it.
pub fn to_pile(passed: &Passed) -> Result<Outgoing, EncodeError> {
    let names = &passed.names;
    renamed(passed, &mut |name| match name {
        Name::Place { evse, connector } => {
            evse.clear();
            connector_to_pile(names, connector);
        }
        Name::Connector(connector) => connector_to_pile(names, connector),
        Name::Order(order) => {
            let known =
                names.orders.iter().find(|(_, id)| values::transaction_text(id.as_ref()) == *order);
            *order = known.map(|(id, _)| id.to_string()).unwrap_or_default();
        }
        Name::Deposit(_) | Name::Beginning => {}
    })
}

/// A message of the pile, as the backend is to read it.
pub fn to_backend(passed: &Passed) -> Result<Outgoing, EncodeError> {
    let names = &passed.names;
    renamed(passed, &mut |name| match name {
        Name::Place { evse, connector } => {
            *evse = names.pile.to_string();
            connector_to_backend(names, connector);
        }
        Name::Connector(connector) => connector_to_backend(names, connector),
        Name::Order(order) => {
            let known = names.orders.iter().find(|(id, _)| id.as_str() == order);
            *order = values::transaction_text(known.and_then(|(_, id)| id.as_ref()));
        }
        Name::Deposit(_) | Name::Beginning => {}
    })
}

/// Byte for byte, but for the names in it.
fn renamed(passed: &Passed, each: &mut dyn FnMut(Name<'_>)) -> Result<Outgoing, EncodeError> {
    let original = &passed.original;
    let id = Id::try_from(i32::from(original.code)).unwrap_or(Id::IdNone);
    let body = in_1_10(original).and_then(|body| shown(id, &body, each));
    match body {
        Ok(Some(body)) => Ok(Outgoing::rewritten(original, body)),
        Ok(None) => Ok(Outgoing::kept(original.clone())),
        Err(error) => Err(EncodeError::Unreadable { what: error.at, found: error.found }),
    }
}

/// Whole piles, nothing and `all` stay what they are.
fn connector_to_pile(names: &Names, text: &mut String) {
    let plug = |no: ConnectorNo| names.connectors.iter().position(|known| *known == no);
    match values::named_connector(text) {
        Named::Nothing => {}
        Named::This(no) => *text = plug(no).map(|at| (at + 1).to_string()).unwrap_or_default(),
        Named::Foreign => text.clear(),
    }
}

fn connector_to_backend(names: &Names, text: &mut String) {
    let Some(plug) = values::plug_or_pile(text) else { return };
    let known = usize::from(plug.0).checked_sub(1).and_then(|at| names.connectors.get(at));
    *text = values::connector_text(known.copied());
}

macro_rules! checked_by_code {
    ($($id:ident: $message:ident,)*) => {
        /// Reads a message and forgets it: what the site does not look into is passed on only if
        /// it is what its code says.
        pub fn check(id: Id, apdu: &Opened) -> Result<(), DecodeError> {
            match id {
                $(Id::$id => read::<wire::$message>(&apdu.body).map(|_| ()),)*
                // Codes for which the tables have no message.
                _ => Ok(()),
            }
        }
    };
}

messages_of_1_10! { checked_by_code! }

fn read<M: prost::Message + Default>(body: &Bytes) -> Result<M, DecodeError> {
    M::decode(body.as_ref()).map_err(|error| DecodeError::parse(name_of::<M>(), &error))
}

impl Naming for wire::RemoteControlReq {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        let is = |function: &str| self.function.trim().eq_ignore_ascii_case(function);
        let (starts, stops) = (is("RemoteStart"), is("RemoteStop"));
        if starts {
            each(Name::Beginning);
        }
        if starts || stops {
            each(Name::Connector(&mut self.parameter));
        }
    }
}

impl Naming for Option<wire::ComponentType> {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        if let Some(component) = self {
            let (evse, connector) = (&mut component.evse_id, &mut component.connector_id);
            each(Name::Place { evse, connector });
        }
    }
}

impl Naming for wire::GetReportReq {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        for component in &mut self.component {
            let (evse, connector) = (&mut component.evse_id, &mut component.connector_id);
            each(Name::Place { evse, connector });
        }
    }
}

impl Naming for wire::GetVariablesReq {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        self.get_variables_data.iter_mut().for_each(|data| data.component.show(each));
    }
}

impl Naming for wire::GetVariablesConf {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        self.get_variables_result.iter_mut().for_each(|result| result.component.show(each));
    }
}

impl Naming for wire::SetVariablesReq {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        self.set_variable_data.iter_mut().for_each(|data| data.component.show(each));
    }
}

impl Naming for wire::NotifyReportReq {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        self.report_data.iter_mut().for_each(|data| data.component.show(each));
    }
}

impl Naming for wire::NotifyReportConf {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        each(Name::Connector(&mut self.connector_id));
    }
}

impl Naming for wire::ChangeAvailabilityReq {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        each(Name::Place { evse: &mut self.evse_id, connector: &mut self.connector_id });
    }
}

impl Naming for wire::SendQrCodeReq {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        each(Name::Place { evse: &mut self.evse_id, connector: &mut self.connector_id });
    }
}

impl Naming for wire::ReserveNowReq {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        each(Name::Place { evse: &mut self.evse_id, connector: &mut self.connector_id });
        each(Name::Deposit(Deposit::Reservation(self.id)));
    }
}

impl Naming for wire::CancelReservationReq {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        each(Name::Deposit(Deposit::Reservation(self.id.cast_unsigned())));
    }
}

impl Naming for wire::SetChargingProfileReq {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        each(Name::Place { evse: &mut self.evse_id, connector: &mut self.connector_id });
        if let Some(profile) = &mut self.charging_profile {
            each(Name::Order(&mut profile.transaction_id));
            each(Name::Deposit(Deposit::Profile(profile.id)));
        }
    }
}

impl Naming for wire::ClearChargingProfileReq {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        each(Name::Deposit(Deposit::Profile(self.id)));
    }
}

impl Naming for wire::GetChargingProfilesReq {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        let wanted = self.criterion.iter().flat_map(|criterion| &criterion.id);
        wanted.for_each(|id| each(Name::Deposit(Deposit::Profile(*id))));
    }
}

impl Naming for wire::ReportChargingProfilesReq {
    fn show(&mut self, each: &mut dyn FnMut(Name<'_>)) {
        for profile in &mut self.charging_profile {
            each(Name::Order(&mut profile.transaction_id));
        }
    }
}
