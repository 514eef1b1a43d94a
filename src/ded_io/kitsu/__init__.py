"""Registering plates in Kitsu: what is to be registered, the outbox that keeps it, and the client that does it.

| module | what is defined there |
|---|---|
| `publication` | what is registered of a plate, and what became of it; plain values |
| `outbox` | where publications wait until Kitsu has them |
| `account` | where a Kitsu is and who logs in |
| `connection` | the session: `gazu` with time limits, its errors in ours |
| `entities`, `output_files`, `previews` | finding, creating and updating each kind of thing |
| `publishing` | all of a publication, in an order that a kill can't hurt |
| `syncing` | the outbox emptied |
| `setup` | a production made ready for plates |
| `command` | the verbs `ded-io kitsu setup` and `ded-io kitsu sync` |

Only what talks to a server loads `gazu`; the first three load nothing heavy.
"""
