//! Who is there: sessions, and the customers that sign in to them. A session is kept under the hash of its secret, so
//! that who reads the table cannot take one over. Passwords come and go as hashes.

use super::{DUPLICATE, Store};
use crate::app::fault::Fault;
use crate::app::ticket::Ticket;
use crate::app::token::Token;
use serde::Serialize;

/// A session as it is now.
#[derive(Debug, Default)]
pub(crate) struct Visitor {
    pub(crate) member: Option<Member>,
    pub(crate) cart: Option<Ticket>,
}

/// A customer who has signed in.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Member {
    pub(crate) id: u32,
    pub(crate) first_name: String,
    #[serde(skip)]
    pub(crate) staff: bool,
}

/// Where a customer's orders go.
#[derive(Debug, Serialize)]
pub(crate) struct Customer {
    pub(crate) id: u32,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) street: String,
    pub(crate) city: String,
    pub(crate) postcode: String,
    pub(crate) country: String,
}

/// A customer to be.
#[derive(Debug)]
pub(crate) struct NewCustomer {
    pub(crate) username: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) street: String,
    pub(crate) city: String,
    pub(crate) postcode: String,
    pub(crate) country: u16,
}

const VISITOR: &str = "SELECT k.id, k.secret, c.id, c.first_name, c.staff FROM session s \
    LEFT JOIN cart k ON k.id = s.cart_id LEFT JOIN customer c ON c.id = s.customer_id \
    WHERE s.token_hash = UNHEX(SHA2(?, 256)) AND s.expires_at > UTC_TIMESTAMP()";
const BEGIN: &str = "INSERT INTO session (token_hash, customer_id, cart_id, expires_at) \
    VALUES (UNHEX(SHA2(?, 256)), ?, (SELECT id FROM cart WHERE id = ? AND secret = ?), UTC_TIMESTAMP() + INTERVAL ? SECOND)";
// The cart stays, the secret does not: one that was known before somebody signed in is worth nothing afterwards.
const TAKE_OVER: &str = "UPDATE session SET token_hash = UNHEX(SHA2(?, 256)), customer_id = ?, \
    cart_id = COALESCE((SELECT id FROM cart WHERE id = ? AND secret = ?), cart_id), expires_at = UTC_TIMESTAMP() + INTERVAL ? SECOND \
    WHERE token_hash = UNHEX(SHA2(?, 256)) AND expires_at > UTC_TIMESTAMP()";
const KEEP_CART: &str = "UPDATE session SET cart_id = ? WHERE token_hash = UNHEX(SHA2(?, 256))";
const END: &str = "DELETE FROM session WHERE token_hash = UNHEX(SHA2(?, 256))";

const BY_NAME: &str = "SELECT id, first_name, staff, password_hash FROM customer WHERE username = ?";
const CUSTOMER: &str = "SELECT c.id, c.first_name, c.last_name, c.email, a.street, a.city, a.postcode, n.name \
    FROM customer c JOIN address a ON a.id = c.address_id JOIN country n ON n.id = a.country_id WHERE c.id = ?";
const NEW_ADDRESS: &str = "INSERT INTO address (street, city, postcode, country_id) VALUES (?, ?, ?, ?)";
const NEW_CUSTOMER: &str = "INSERT INTO customer (username, password_hash, first_name, last_name, email, \
    address_id, registered, staff) VALUES (?, ?, ?, ?, ?, ?, UTC_DATE(), 0)";

type CustomerRow = (u32, String, String, String, String, String, String, String);

impl Store {
    /// The session of this secret; without one, or when it is over, nobody's.
    pub(crate) async fn visitor(&self, token: Option<&Token>) -> Result<Option<Visitor>, Fault> {
        let Some(token) = token else { return Ok(None) };
        type Row = (Option<u64>, Option<u64>, Option<u32>, Option<String>, Option<u8>);
        let row: Option<Row> = self.session().await?.first(VISITOR, (token.digits(),)).await?;
        Ok(row.map(|(cart, secret, id, first_name, staff)| {
            let cart = cart.zip(secret).map(|(id, secret)| Ticket { id, secret });
            let member = id.zip(first_name).map(|(id, first_name)| {
                let staff = staff.unwrap_or_default() != 0;
                Member { id, first_name, staff }
            });
            Visitor { member, cart }
        }))
    }

    /// Begins a session of nobody with a cart.
    pub(crate) async fn begin(&self, token: &Token, cart: Ticket) -> Result<(), Fault> {
        let params = (token.digits(), None::<u32>, cart.id, cart.secret, self.lives.session_s);
        self.session().await?.change(BEGIN, params).await.map(|_| ())
    }

    /// Gives a session its cart.
    pub(crate) async fn keep_cart(&self, token: &Token, cart: Ticket) -> Result<(), Fault> {
        self.session().await?.change(KEEP_CART, (cart.id, token.digits())).await.map(|_| ())
    }

    /// Makes a customer's session of the one that was there, or a new one, with this cart if there is such a one;
    /// its secret is `new` from now on.
    pub(crate) async fn sign_in(
        &self,
        old: Option<&Token>,
        new: &Token,
        customer: u32,
        cart: Option<Ticket>,
    ) -> Result<(), Fault> {
        let (cart, secret) = cart.map(|cart| (cart.id, cart.secret)).unzip();
        let life_s = self.lives.session_s;
        let mut session = self.session().await?;
        if let Some(old) = old {
            let params = (new.digits(), customer, cart, secret, life_s, old.digits());
            if session.change(TAKE_OVER, params).await?.rows > 0 {
                return Ok(());
            }
        }
        session.change(BEGIN, (new.digits(), customer, cart, secret, life_s)).await.map(|_| ())
    }

    /// Ends a session.
    pub(crate) async fn sign_out(&self, token: &Token) -> Result<(), Fault> {
        self.session().await?.change(END, (token.digits(),)).await.map(|_| ())
    }

    /// The customer of this name, and the hash of the password.
    pub(crate) async fn by_name(&self, username: &str) -> Result<Option<(Member, String)>, Fault> {
        let row: Option<(u32, String, u8, String)> =
            self.session().await?.first(BY_NAME, (username,)).await?;
        Ok(row.map(|(id, first_name, staff, hash)| (Member { id, first_name, staff: staff != 0 }, hash)))
    }

    /// A customer with the address.
    pub(crate) async fn customer(&self, id: u32) -> Result<Customer, Fault> {
        let row: Option<CustomerRow> = self.session().await?.first(CUSTOMER, (id,)).await?;
        row.map(customer).ok_or(Fault::NotFound("There is no such customer."))
    }

    /// Opens an account; gives the customer.
    pub(crate) async fn register(&self, new: NewCustomer, password_hash: String) -> Result<Member, Fault> {
        let mut session = self.session().await?;
        let mut transaction = session.begin().await?;
        let address = (new.street, new.city, new.postcode, new.country);
        let address = transaction.change(NEW_ADDRESS, address).await?.new_id;
        let first_name = new.first_name.clone();
        let row = (new.username, password_hash, new.first_name, new.last_name, new.email, address);
        match transaction.change(NEW_CUSTOMER, row).await {
            Ok(change) => {
                transaction.commit().await?;
                let id = u32::try_from(change.new_id).map_err(|_| Fault::Inside)?;
                Ok(Member { id, first_name, staff: false })
            }
            Err(fault) => {
                transaction.rollback().await?;
                let taken = fault.server_code() == Some(DUPLICATE);
                Err(if taken { Fault::Conflict("Somebody has this user name already.") } else { fault })
            }
        }
    }
}

fn customer(row: CustomerRow) -> Customer {
    let (id, first_name, last_name, email, street, city, postcode, country) = row;
    Customer { id, first_name, last_name, email, street, city, postcode, country }
}
