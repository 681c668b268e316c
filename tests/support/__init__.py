"""What tests stand on: builders, the PostgreSQL server, the browser, the catalogues."""
