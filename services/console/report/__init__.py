"""Reports people take along: tables for a spreadsheet, and pages that stand alone."""
