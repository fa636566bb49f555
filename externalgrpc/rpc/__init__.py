"""Speak gRPC: the 15 RPCs, Fleet.Show, health, who may wait and how long, and the client."""
