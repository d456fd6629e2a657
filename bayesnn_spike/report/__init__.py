"""What a reader sees: pictures, tables and the page of a study."""
