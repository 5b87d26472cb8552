//! The system bus of the host.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::Mutex;
use zbus::message::Body;
use zbus::wire::DynamicType;
use zbus::{Connection, DBusError as _, OwnedVariant};

use super::fault::{Fault, FaultKind};

/// A polkit rule that never ends is stopped after 15 s; the caller learns of it before.
const LONGEST_CALL: Duration = Duration::from_secs(10);

/// A connection to the system bus, made when it is first needed and again when it broke.
#[derive(Debug, Default)]
pub struct Bus {
    connection: Mutex<Option<Connection>>,
}

/// Who is asked: service, path and interface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) service: &'static str,
    pub(super) path: &'a str,
    pub(super) interface: &'static str,
}

/// systemd itself.
pub(super) const MANAGER: Object<'static> = Object {
    service: "org.freedesktop.systemd1",
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};

impl Bus {
    /// The connection that is open, or a new one.
    pub(super) async fn connection(&self) -> Result<Connection, Fault> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = &*held {
            return Ok(connection.clone());
        }
        let connection = zbus::connection::Builder::system()
            .method_timeout(LONGEST_CALL)
            .build()
            .await
            .map_err(|error| Fault::new(FaultKind::Unreachable, error.to_string()))?;
        // Without this, systemd sends signals about jobs to those alone who asked for the job.
        connection
            .call_method(
                Some(MANAGER.service),
                MANAGER.path,
                Some(MANAGER.interface),
                "Subscribe",
                &(),
            )
            .await
            .map_err(|error| fault(&error))?;
        *held = Some(connection.clone());
        Ok(connection)
    }

    /// A property of an object.
    pub(super) async fn property(&self, object: Object<'_>, name: &str) -> Result<OwnedVariant, Fault> {
        let properties = Object {
            interface: "org.freedesktop.DBus.Properties",
            ..object
        };
        self.call(properties, "Get", &(object.interface, name), |body| body.deserialize())
            .await
    }

    /// Calls a method and reads its answer.
    pub(super) async fn call<B, T>(
        &self,
        object: Object<'_>,
        method: &str,
        body: &B,
        read: impl FnOnce(&Body) -> zbus::Result<T>,
    ) -> Result<T, Fault>
    where
        B: Serialize + DynamicType + Sync,
    {
        let connection = self.connection().await?;
        let answer = connection
            .call_method(Some(object.service), object.path, Some(object.interface), method, body)
            .await;
        match answer {
            Ok(answer) => read(&answer.body()).map_err(|error| fault(&error)),
            Err(error) => {
                let fault = fault(&error);
                if fault.kind == FaultKind::Unreachable {
                    // The next call begins with a new connection: the bus may have been started again.
                    *self.connection.lock().await = None;
                }
                Err(fault)
            }
        }
    }
}

/// What an error of the library means.
pub(super) fn fault(error: &zbus::Error) -> Fault {
    match error {
        zbus::Error::MethodError(name, message, _) => {
            Fault::of_reply(name.as_str(), message.as_deref().unwrap_or_default())
        }
        zbus::Error::FDO(error) => match &**error {
            zbus::fdo::Error::ZBus(error) => fault(error),
            error => Fault::of_reply(error.name().as_str(), error.description().unwrap_or_default()),
        },
        zbus::Error::InputOutput(_) | zbus::Error::Handshake(_) | zbus::Error::Connection(..) => {
            Fault::new(FaultKind::Unreachable, error.to_string())
        }
        _ => Fault::new(FaultKind::Other, error.to_string()),
    }
}
