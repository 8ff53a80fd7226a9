"""Processes of the operating system: sandboxed, limited, outliving whoever started them.

Knows no AWS word and nothing of HTTP. Imports only `sagebrush.base`, so that every part of it that
runs inside or under a job works in any Python interpreter without third-party packages.

    supervisor = Supervisor(data / "run", {"algorithms": Family("algorithms", ("numpy", ...))})
    spec = ProcessSpec(name, str(job_directory), (Member("algo-1", entry=..., mounts=...),), ...)
    handle = await supervisor.start(spec)        # the job's directory now holds shim.json
    handle.stop(grace_s=120)                     # SIGTERM, then SIGKILL; archives are still made
    ended = await handle.wait()                  # records.Exit, or supervisor.Lost
    found = supervisor.adopt(job_directory)      # after a restart: Handle, Exit or Lost

`spec` describes a job; `shim` is the process that carries it along `job`'s course; `member` is one
host of it in its `sandbox` under its `limits`; `feeder` and `archive` are what happens around the
members; `zygote` and `families` make starts fast; `supervisor`, `liveness` and `records` find jobs
again; `facilities` says what the machine offers; `tail` follows logs; `environments` builds Python
environments; `sockets` reaches servers behind long paths.

A job's directory: `spec.json` (what was asked), `shim.json` (who carries it, its phase),
`exit.json` (how it ended), `<member>.log` (raw output of a member, written by the kernel, so it is
complete up to the last write whatever dies), `shim.log`, and, while it runs, `private/`.
"""
