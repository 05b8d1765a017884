package catalog

type body struct{}

func (a *analyst) enter(n *Node, f *Function) []*Node { return nil }
func (a *analyst) leave()                             {}
