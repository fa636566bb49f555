"""Work out what a node will be and cost before there is one: template, kubelet, prices, offers."""
