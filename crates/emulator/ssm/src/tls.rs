//! TLS before the data channel: accepts it and forwards to the plain port.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::error::Error;

/// A certificate for the data channel, and the authority that signed it.
pub(crate) struct Identity {
    pub(crate) ca_pem: String,
    acceptor: TlsAcceptor,
}

impl Identity {
    pub(crate) fn new(region: &str) -> Result<Self, Error> {
        let ca_key = KeyPair::generate().map_err(Error::Certificate)?;
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).map_err(Error::Certificate)?.pem();
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate().map_err(Error::Certificate)?;
        let names = vec![
            format!("ssmmessages.{region}.amazonaws.com"),
            "localhost".to_owned(),
            Ipv4Addr::LOCALHOST.to_string(),
        ];
        let params = CertificateParams::new(names).map_err(Error::Certificate)?;
        let certificate = params.signed_by(&key, &issuer).map_err(Error::Certificate)?;
        let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private)
            })
            .map_err(Error::Tls)?;
        Ok(Self { ca_pem, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Returns the task that accepts connections and forwards them to `plain`.
    pub(crate) fn forward(
        &self,
        listener: TcpListener,
        plain: SocketAddr,
    ) -> impl Future<Output = ()> + Send + use<> {
        let acceptor = self.acceptor.clone();
        async move {
            let mut connections = JoinSet::new();
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    Some(_) = connections.join_next() => continue,
                };
                let Ok((client, _)) = accepted else {
                    // Out of descriptors: until a connection ends.
                    tokio::task::yield_now().await;
                    continue;
                };
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    let forwarded = async {
                        // A failure only delays packets.
                        client.set_nodelay(true).ok();
                        let mut client = acceptor.accept(client).await?;
                        let mut server = TcpStream::connect(plain).await?;
                        server.set_nodelay(true).ok();
                        copy_bidirectional(&mut client, &mut server).await
                    };
                    if let Err(error) = forwarded.await {
                        tracing::debug!(%error, "a connection with TLS ended");
                    }
                });
            }
        }
    }
}
