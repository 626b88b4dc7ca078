"""Answers for readers: tables and pictures."""
