module progressive.istio/lab/pause

go 1.25.0
