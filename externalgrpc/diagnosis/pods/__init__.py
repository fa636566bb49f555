"""Answer why a pod has no node: the pod against each group's template, and what others say."""
