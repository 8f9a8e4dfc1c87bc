"""One network of fixed structure: what it stores, when joint training is measured."""


def test_stored_parameters_count_what_is_there(records):
    # digits-cnn at width 0.5: conv 16*9+16, BN 32, conv 32*16*9+32, BN 64, linear 128*64+64;
    # a head for five classes 64*5+5.
    backbone, head = 160 + 32 + 4640 + 64 + 8256, 325
    assert records["fixed"].stored_parameters == [backbone + head, backbone + 2 * head]
    assert records["joint"].stored_parameters == [0, backbone + 2 * head]
    one, two = records["independent"].stored_parameters
    assert two == 2 * one


def test_joint_is_evaluated_once_everything_is_learnt(records):
    assert records["joint"].accuracy[0] == [None, None]
    assert records["joint"].subnetworks[0] == []
