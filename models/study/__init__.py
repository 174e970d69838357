"""What tutorials say of activations, put to the test in the network that ships: `make study` writes `docs/study.md`.

`case` says what is trained, `trial` trains and looks inside, `stopwatch` times, `results` is kept as
`docs/study.json`. From that alone `figures`, `claims` and `page` make the document, `plots` its pictures.
"""
