"""Adapter folders: a PEFT adapter plus cornucopia.json. Written by training, read by every engine."""
