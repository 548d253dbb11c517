use super::*;

fn terminal() -> Terminal {
    Terminal::new(TerminalSize { columns: 90, rows: 20 })
}

fn receive(terminal: &mut Terminal, payload_type: PayloadType, payload: &'static [u8]) {
    terminal.receive(payload_type, Bytes::from_static(payload), Instant::now()).unwrap();
}

/// Reads once. Returns `None` if there is nothing yet.
fn read(terminal: &mut Terminal) -> Option<Result<ShellEvent, TunnelError>> {
    match terminal.poll_read(&mut Context::from_waker(Waker::noop()), &mut false) {
        Poll::Ready(event) => Some(event),
        Poll::Pending => None,
    }
}

fn event(terminal: &mut Terminal) -> ShellEvent {
    read(terminal).expect("ready").expect("an event")
}

fn write(terminal: &mut Terminal, data: &[u8]) -> Poll<Result<usize, TunnelError>> {
    terminal.poll_write(&mut Context::from_waker(Waker::noop()), data)
}

fn end(terminal: &mut Terminal, output: &str) {
    let reason = TunnelError::Ended { session_id: "s-1".to_owned(), output: output.to_owned() };
    terminal.ended(&Arc::new(reason));
}

fn size(columns: u16, rows: u16) -> Output {
    Output::Size(format!(r#"{{"cols":{columns},"rows":{rows}}}"#).into())
}

#[test]
fn the_size_is_sent_first_after_each_change_and_after_each_connection() {
    let mut terminal = terminal();
    assert!(write(&mut terminal, b"ls\r").is_ready());
    assert_eq!(terminal.next_output(1024), Some(size(90, 20)));
    assert_eq!(terminal.next_output(1024), Some(Output::Data("ls\r".into())));
    assert_eq!(terminal.next_output(1024), None);
    terminal.resize(TerminalSize { columns: 90, rows: 20 });
    assert_eq!(terminal.next_output(1024), None);
    terminal.resize(TerminalSize { columns: 133, rows: 41 });
    assert_eq!(terminal.next_output(1024), Some(size(133, 41)));
    terminal.reconnected();
    assert_eq!(terminal.next_output(1024), Some(size(133, 41)));
    assert_eq!(terminal.next_output(1024), None);
}

#[test]
fn input_is_split_in_order_and_waits_when_there_is_much() {
    let mut terminal = terminal();
    let input: Vec<u8> = (0..SEND_LIMIT).map(|number| number as u8).collect();
    assert!(matches!(write(&mut terminal, &input), Poll::Ready(Ok(SEND_LIMIT))));
    assert!(write(&mut terminal, b"more").is_pending());
    let mut sent = Vec::new();
    while let Some(output) = terminal.next_output(1000) {
        if let Output::Data(data) = output {
            assert!((1..=1000).contains(&data.len()));
            sent.extend_from_slice(&data);
        }
    }
    assert!(sent == input);
    assert!(write(&mut terminal, b"more").is_ready());
}

#[test]
fn both_outputs_are_read_in_their_order_and_then_the_end() {
    let mut terminal = terminal();
    assert!(read(&mut terminal).is_none());
    receive(&mut terminal, PayloadType::OUTPUT, b"o");
    receive(&mut terminal, PayloadType::OUTPUT, b"ut");
    receive(&mut terminal, PayloadType::STDERR, b"err");
    receive(&mut terminal, PayloadType::OUTPUT, b"more");
    receive(&mut terminal, PayloadType::EXIT_CODE, b"EXIT_CODE: 3");
    receive(&mut terminal, PayloadType(99), b"ignored");
    end(&mut terminal, "");
    assert_eq!(event(&mut terminal), ShellEvent::Output("out".into()));
    assert_eq!(event(&mut terminal), ShellEvent::Error("err".into()));
    assert_eq!(event(&mut terminal), ShellEvent::Output("more".into()));
    assert_eq!(event(&mut terminal), ShellEvent::End(Some(3)));
    assert!(matches!(write(&mut terminal, b"x"), Poll::Ready(Err(TunnelError::Shared(_)))));
}

#[test]
fn a_reason_of_the_service_is_an_error() {
    let mut terminal = terminal();
    receive(&mut terminal, PayloadType::OUTPUT, b"last");
    end(&mut terminal, "Session terminated by operator.");
    assert_eq!(event(&mut terminal), ShellEvent::Output("last".into()));
    let error = read(&mut terminal).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "session s-1 was ended by the service: Session terminated by operator.");
}

#[test]
fn a_full_buffer_stops_the_session_until_it_is_read() {
    let mut terminal = terminal();
    let part: &'static [u8] = &[b'x'; 1024];
    while !terminal.is_full() {
        receive(&mut terminal, PayloadType::OUTPUT, part);
    }
    assert_eq!(terminal.bytes, RECEIVE_LIMIT);
    let mut changed = false;
    let read = terminal.poll_read(&mut Context::from_waker(Waker::noop()), &mut changed);
    assert!(read.is_ready() && changed && !terminal.is_full());
}

#[test]
fn an_exit_status_is_read_from_its_text() {
    for (text, expected) in
        [("EXIT_CODE: 3", Some(3)), ("EXIT_CODE: -1", Some(-1)), ("0", Some(0)), ("", None)]
    {
        assert_eq!(exit_status(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn neither_input_nor_output_is_in_debug_output() {
    let mut terminal = terminal();
    assert!(write(&mut terminal, b"secret").is_ready());
    receive(&mut terminal, PayloadType::OUTPUT, b"secret");
    assert!(!format!("{terminal:?}").contains("secret"));
}
