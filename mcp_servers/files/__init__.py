"""The files server: lists, searches and reads documents under confined folders."""
