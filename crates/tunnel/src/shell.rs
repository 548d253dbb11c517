//! A command in a terminal of a managed instance.

use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;

use crate::encryption::DataKeys;
use crate::session::{Session, Settings, wake};
use crate::terminal::{ShellEvent, Terminal};
use crate::{Api, Options, RemoteCommand, StartRequest, TerminalSize, TunnelError};

/// A command in a terminal of a managed instance. It ends when it is [closed](Self::close) or dropped.
///
/// The session is resumed whenever the service closes its connection: no input is lost, no output is lost or repeated.
/// It is encrypted with a data key of KMS if the account's session preferences require that.
#[derive(Debug)]
pub struct Shell {
    session: Session<Terminal>,
}

impl Shell {
    /// Starts a command, and waits until its agent accepts input. `keys` are used if the session has to be encrypted.
    ///
    /// # Errors
    /// Returns the reason why the command could not be started.
    pub async fn start(
        api: impl Api,
        keys: impl DataKeys,
        command: RemoteCommand,
        tls: Arc<ClientConfig>,
        options: Options,
    ) -> Result<Self, TunnelError> {
        options.check_chunk()?;
        let request = StartRequest::from(&command);
        let settings = Settings { api: Arc::new(api), tls, keys: Some(Arc::new(keys)), request, options };
        let (session, opened) = Session::spawn(&settings, Terminal::new(command.size));
        if opened.await.is_err() {
            let reason = session.leave().await;
            // A command that has printed nothing may have ended before the session was open.
            if !reason.is_end_of_command() {
                return Err(reason);
            }
        }
        Ok(Self { session })
    }

    /// Reads what the command has printed, or its end. It can be called again after that, and a call that is dropped
    /// loses nothing.
    ///
    /// # Errors
    /// Returns the reason if the session ended otherwise: by the service, an operator, idleness, or
    /// [`close`](Self::close).
    pub async fn read(&self) -> Result<ShellEvent, TunnelError> {
        self.poll(|terminal, cx| {
            let mut changed = false;
            let event = terminal.poll_read(cx, &mut changed);
            (event, changed)
        })
        .await
    }

    /// Writes input, as a terminal sends it: Ctrl-C is the byte 3. Waits while much input is not sent yet.
    ///
    /// # Errors
    /// Returns the reason why the session has ended.
    pub async fn write(&self, mut input: &[u8]) -> Result<(), TunnelError> {
        while !input.is_empty() {
            let length = self.poll(|terminal, cx| (terminal.poll_write(cx, input), true)).await?;
            input = &input[length..];
        }
        Ok(())
    }

    /// Changes the size of the command's terminal.
    pub fn resize(&self, size: TerminalSize) {
        let mut state = self.session.shared().lock();
        state.payloads.resize(size);
        let task = state.task();
        drop(state);
        wake(task);
    }

    /// Ends the command and its session, at the agent and at the service.
    pub async fn close(&self) {
        self.session.close().await;
    }

    /// Polls the terminal. `poll` also returns whether the session's task has to continue.
    async fn poll<T>(&self, mut poll: impl FnMut(&mut Terminal, &mut Context<'_>) -> (Poll<T>, bool)) -> T {
        std::future::poll_fn(|cx| {
            let mut state = self.session.shared().lock();
            let (result, continues) = poll(&mut state.payloads, cx);
            let task = if continues { state.task() } else { None };
            drop(state);
            wake(task);
            result
        })
        .await
    }
}
