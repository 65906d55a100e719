module progressive.istio/lab/pong

go 1.25.0
