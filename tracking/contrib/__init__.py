"""Optional parts for a host project. Each needs the extra of its name: `[redis]`, `[uvicorn]`."""
