"""What a compute type means on a device: the types of its numbers, and what is held in int8."""

    return jax.tree.map(cast_node, tree, is_leaf=lambda node: isinstance(node, Linear))
