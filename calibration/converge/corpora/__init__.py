"""What is trained on: text by characters or words, recordings with transcripts, synthetic text."""
