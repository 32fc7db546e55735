//! The client: facade, accounts, commands, queries, the driver that performs IO.
