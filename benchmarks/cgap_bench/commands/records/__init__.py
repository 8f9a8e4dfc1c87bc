"""What do single records and folders of them say on a terminal?"""
