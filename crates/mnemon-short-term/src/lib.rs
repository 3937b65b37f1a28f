//! The token-bounded window of recent turns: what is in it, and what should leave when it is too full.
//!
//! The rows of the window live in the store, the only truth. Whoever owns the store loads them as values into a
//! [`Window`], asks for an [`EvictionPlan`] and carries it out. This crate does no IO, knows no text, starts no thread
//! and reads no clock. How turns are summarised, and where they go, is not its business either.
//!
//! Turns come and go in whole *exchanges*: a user's turn and its answers. An [`EvictionPolicy`] says in which order
//! exchanges should leave; [`Eviction`] has three policies, and any function of the right shape is one.
//!
//! ```
//! use mnemon_core::{MemoryId, Timestamp};
//! use mnemon_short_term::{Eviction, Window, WindowItem};
//!
//! let at = |second| Timestamp::from_second(second).unwrap();
//! let item = |exchange: u32, tokens| WindowItem::new(MemoryId::new(at(0)), exchange, tokens, at(0));
//! let mut window = Window::new(100, [item(0, 30), item(0, 20), item(1, 40), item(2, 25)]);
//! assert_eq!(window.overflow(), 15);
//!
//! let plan = window.plan_eviction(&Eviction::Fifo, 0);
//! assert_eq!((plan.leave.len(), plan.tokens), (2, 50), "the first exchange, whole");
//! window.apply(&plan);
//! assert_eq!(window.tokens(), 65);
//! ```

mod exchange;
mod plan;
mod policy;
mod window;

pub use exchange::Exchange;
pub use plan::EvictionPlan;
pub use policy::{Eviction, EvictionPolicy, ParseEvictionError};
pub use window::{Window, WindowItem};
