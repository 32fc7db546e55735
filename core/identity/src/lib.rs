//! Keys, certificates, signatures, receipts, sealing of parcels.
